package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

// decoder reads a policy from yaml nodes and collects every mistake on the
// way. It never decodes into structs: yaml.v3 would then lose the column, stop
// early and turn 010 into 8.
type decoder struct {
	file     string
	diags    []Diagnostic
	bad      map[*yaml.Node]bool // already reported: be silent
	elements int
	lines    []string // of the file
	bases    Loader   // reads other files, nil where none can be read
}

// at reports a mistake at a line and column.
func (d *decoder) at(line, column int, cure, format string, args ...any) {
	d.diags = append(d.diags, Diagnostic{
		Pos:  Position{File: d.file, Line: max(line, 1), Column: max(column, 1)},
		Msg:  fmt.Sprintf(format, args...),
		Cure: cure,
	})
}

// fail reports a mistake at a node and marks the node, so that it is reported
// only once.
func (d *decoder) fail(n *yaml.Node, cure, format string, args ...any) {
	d.bad[n] = true
	d.at(n.Line, n.Column, cure, format, args...)
}

// failPos reports a mistake at a place that was read before.
func (d *decoder) failPos(p Position, cure, format string, args ...any) {
	d.diags = append(d.diags, Diagnostic{Pos: p, Msg: fmt.Sprintf(format, args...), Cure: cure})
}

// pos returns the place of a node. The built-in policy is in no file.
func (d *decoder) pos(n *yaml.Node) Position {
	if d.file == "" {
		return Position{}
	}
	return Position{File: d.file, Line: n.Line, Column: n.Column}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// describe says what a node is, in words for people who do not know YAML.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "the number " + clip(n.Value)
	case "!!bool":
		return "the switch " + n.Value
	case "!!null":
		return "nothing"
	case "!!timestamp":
		return "the date " + clip(n.Value)
	}
	return fmt.Sprintf("the text %q", clip(n.Value))
}

// scalar reports whether n is a scalar of the wanted type, and if not says
// what was wanted.
func (d *decoder) scalar(n *yaml.Node, tag, name, want string) bool {
	if d.bad[n] {
		return false
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != tag {
		d.fail(n, want, "%s is %s", name, describe(n))
		return false
	}
	return true
}

// text reads a text that is not empty.
func (d *decoder) text(n *yaml.Node, name string) (string, bool) {
	want := "write a text"
	if n.Kind == yaml.ScalarNode && !isNull(n) {
		want = fmt.Sprintf("put it in quotes to make it a text: %q", clip(n.Value))
	}
	if !d.scalar(n, "!!str", name, want) {
		return "", false
	}
	if strings.TrimSpace(n.Value) == "" {
		d.fail(n, "write a text", "%s is empty", name)
		return "", false
	}
	return n.Value, true
}

// choice reads one of a few words.
func (d *decoder) choice(n *yaml.Node, name string, known []string) (string, bool) {
	if d.bad[n] {
		return "", false
	}
	if n.Kind != yaml.ScalarNode {
		d.fail(n, "use "+words.Or(known), "%s is %s", name, describe(n))
		return "", false
	}
	if !slices.Contains(known, n.Value) {
		d.fail(n, words.DidYouMean(n.Value, known), "%s is %s", name, describe(n))
		return "", false
	}
	return n.Value, true
}

var plainNumber = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})$`)

// count reads a number of things, 0 or more.
func (d *decoder) count(n *yaml.Node, name string) (int, bool) {
	want := "write a whole number, 0 or more"
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 && plainNumber.MatchString(n.Value) {
		want = "remove the quotes"
	}
	if !d.scalar(n, "!!int", name, want) {
		return 0, false
	}
	// YAML 1.1 reads 010 as 8, 0x10 as 16 and 1_0 as 10. A reader of a limit
	// should not have to know that.
	if !plainNumber.MatchString(n.Value) {
		d.fail(n, want+", such as 0 or 20", "%s is %s", name, describe(n))
		return 0, false
	}
	v, _ := strconv.Atoi(n.Value)
	return v, true
}

// toggle reads true or false.
func (d *decoder) toggle(n *yaml.Node, name string) (value, ok bool) {
	if !d.scalar(n, "!!bool", name, "write true or false") {
		return false, false
	}
	if n.Value != "true" && n.Value != "false" {
		d.fail(n, "write true or false", "%s is %s", name, describe(n))
		return false, false
	}
	return n.Value == "true", true
}

var durationForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,4})([mhdw])$`)

// duration reads 36h, 7d or 2w.
func (d *decoder) duration(n *yaml.Node, name string, zero bool) (time.Duration, bool) {
	const want = "write a number and a unit: 36h, 7d or 2w"
	if d.bad[n] {
		return 0, false
	}
	m := durationForm.FindStringSubmatch(n.Value)
	if n.Kind != yaml.ScalarNode || m == nil {
		d.fail(n, want, "%s is %s", name, describe(n))
		return 0, false
	}
	unit := map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[2]]
	v, _ := strconv.Atoi(m[1])
	if v == 0 && !zero {
		d.fail(n, "write a longer time", "%s is %s, which nothing can satisfy", name, n.Value)
		return 0, false
	}
	if v > int(100*365*24*time.Hour/unit) {
		d.fail(n, "write at most 100 years", "%s is %s", name, n.Value)
		return 0, false
	}
	return time.Duration(v) * unit, true
}

var sizeForm = regexp.MustCompile(`^([1-9][0-9]{0,8})\s?(B|kB|KB|MB|GB|KiB|MiB|GiB)$`)

// countFromOne reads a whole number that is not 0.
func (d *decoder) countFromOne(n *yaml.Node, name string) (int, bool) {
	v, ok := d.count(n, name)
	if ok && v == 0 {
		d.fail(n, "write 1 or more", "%s is 0", name)
		return 0, false
	}
	return v, ok
}

// size reads 500MB or 1GiB.
func (d *decoder) size(n *yaml.Node, name string) (int64, bool) {
	if d.bad[n] {
		return 0, false
	}
	m := sizeForm.FindStringSubmatch(n.Value)
	if n.Kind != yaml.ScalarNode || m == nil {
		d.fail(n, "write a number and a unit: 500MB or 2GiB", "%s is %s", name, describe(n))
		return 0, false
	}
	unit := map[string]int64{"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[m[2]]
	v, _ := strconv.ParseInt(m[1], 10, 64)
	return v * unit, true
}

var dayForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)

// day reads a calendar day.
func (d *decoder) day(n *yaml.Node, name string) (time.Time, bool) {
	const want = "write the last day as year-month-day: 2027-01-31"
	if d.bad[n] {
		return time.Time{}, false
	}
	if n.Kind != yaml.ScalarNode || !dayForm.MatchString(n.Value) {
		d.fail(n, want, "%s is %s", name, describe(n))
		return time.Time{}, false
	}
	t, err := time.Parse(time.DateOnly, n.Value)
	if err != nil || t.Year() < 2000 {
		d.fail(n, want, "%s is %s, and there is no such day", name, n.Value)
		return time.Time{}, false
	}
	return t, true
}

// listOfForm is [list] for texts of one form. wrong ends the message about one that
// has another form.
func listOfForm(d *decoder, n *yaml.Node, name string, fold bool, form *regexp.Regexp, cure, wrong string) ([]string, bool) {
	return list(d, n, name, fold, func(c *yaml.Node, item string) (string, bool) {
		s, ok := d.text(c, item)
		if ok && !form.MatchString(s) {
			d.fail(c, cure, "%s is %q%s", item, clip(s), wrong)
			return "", false
		}
		return s, ok
	})
}

// list reads a list that has items, none of them twice. fold says whether
// items that differ only in case are the same.
func list[T any](d *decoder, n *yaml.Node, name string, fold bool, item func(n *yaml.Node, name string) (T, bool)) ([]T, bool) {
	if d.bad[n] {
		return nil, false
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "write a list: ["+clip(n.Value)+"]", "%s is %s", name, describe(n))
		return nil, false
	}
	if len(n.Content) == 0 {
		d.fail(n, "give it an item, or leave the key out", "%s is an empty list", name)
		return nil, false
	}
	seen := map[string]int{}
	out, ok := make([]T, 0, len(n.Content)), true
	for i, c := range n.Content {
		v, fine := item(c, fmt.Sprintf("item %d of %s", i+1, name))
		if !fine {
			ok = false
			continue
		}
		key := c.Value
		if fold {
			key = strings.ToLower(key)
		}
		if line := seen[key]; c.Kind == yaml.ScalarNode && line > 0 {
			d.fail(c, fmt.Sprintf("the first is on line %d: keep one", line), "%q is twice in %s", clip(c.Value), name)
			continue
		}
		seen[key] = c.Line
		out = append(out, v)
	}
	return out, ok
}

// severityWords lists the severities as the policy spells them.
func severityWords() []string {
	var words []string
	for _, s := range evidence.Severities() {
		words = append(words, string(s))
	}
	return words
}
