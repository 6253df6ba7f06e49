package policy

import (
	"cmp"
	"slices"
	"strings"
)

// order reports whether child is at least as strict as base: whether every
// image that child lets pass would pass base too. Where it is not sure it says
// no.
type order[V any] func(child, base V) bool

// smaller is the order of limits: a smaller number is stricter.
func smaller[V cmp.Ordered](child, base V) bool { return child <= base }

// smallerLimit is the order of limits that [limit] reads.
func smallerLimit(child, base int) bool {
	return base == unlimitedMax || child != unlimitedMax && child <= base
}

// strictest returns the order of a few words, the strictest first.
func strictest(words ...string) order[string] {
	return func(child, base string) bool {
		c := slices.Index(words, child)
		return c >= 0 && c <= slices.Index(words, base)
	}
}

// fixedList is the order of a list that may not change above a base that is pinned.
func fixedList(child, base []string) bool { return slices.Equal(child, base) }

// trueIsStricter is the order of switches that ask for something.
func trueIsStricter(child, base bool) bool { return child || !base }

// longer is the order of lists that deny or require: child may add to the list
// and must keep all that base has. includes reports whether an item of child
// does all that an item of base does.
func longer[T any](includes func(child, base T) bool) order[[]T] {
	return func(child, base []T) bool {
		for _, b := range base {
			if !slices.ContainsFunc(child, func(c T) bool { return includes(c, b) }) {
				return false
			}
		}
		return true
	}
}

// shorter is the order of lists that allow: each item of child must be within
// one of base.
func shorter[T any](within func(child, base T) bool) order[[]T] {
	return func(child, base []T) bool {
		for _, c := range child {
			if !slices.ContainsFunc(base, func(b T) bool { return within(c, b) }) {
				return false
			}
		}
		return true
	}
}

func same(a, b string) bool { return a == b }

func sameFold(a, b string) bool { return strings.EqualFold(a, b) }

// hasOrder reports whether two values of the key can be compared. A test asks
// it of every key.
func (k *setting[V]) hasOrder() bool { return k.order != nil || k.compare != nil }

// atLeastAsStrict compares what applies in a policy with what applies in its
// base.
func (k *setting[V]) atLeastAsStrict(child, base *settings) bool {
	if k.compare != nil {
		return k.compare(child, base)
	}
	c, b := k.of(child), k.of(base)
	switch {
	case !b.set && k.unset == nil:
		return true // the base asks for nothing
	case !c.set && k.unset == nil:
		return false
	}
	return k.order(k.value(child), k.value(base))
}
