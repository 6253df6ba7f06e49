package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/policy/words"
)

// maxShards bounds how many shares a list can be dealt out into.
const maxShards = 100_000

// shard chooses one share of a list of images. The zero value takes all of it.
type shard struct{ index, count int }

func shardFlag() cli.Flag {
	return &cli.StringFlag{Name: "shard", Usage: "judge only share `I/N` of the images, so that N machines with the same list judge all of them"}
}

// parseShard parses the argument of --shard: I/N with 1 <= I <= N. 0/N is N/N:
// Kubernetes counts the pods of a job from 0 and has no arithmetic, and either
// way of counting must hand out every share.
func parseShard(s string) (shard, error) {
	if s == "" {
		return shard{}, nil
	}
	first, second, _ := strings.Cut(s, "/")
	index, ok := parseCount(first)
	count, ok2 := parseCount(second)
	if !ok || !ok2 || count == 0 || index > count || count > maxShards {
		return shard{}, usagef("flag --shard: %q is not a share of a list", s).
			WithHint("write --shard I/N with I from 1 to N and N at most %d: --shard 3/8 is the third of eight shares", maxShards)
	}
	index = cmp.Or(index, count)
	return shard{index, count}, nil
}

// parseCount parses a number without sign or zeros before it.
func parseCount(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err == nil && strconv.FormatUint(n, 10) == s
}

// owns reports whether an image falls to this share. It depends only on
// the reference as asked. So machines with the same list agree without
// communication, even if the order of the list differs.
func (s shard) owns(ref string) bool {
	return s.count == 0 || hash(ref)%uint64(s.count) == uint64(s.index-1)
}

func hash(s string) uint64 {
	sum := sha256.Sum256([]byte(s))
	return binary.BigEndian.Uint64(sum[:])
}

// choose returns which of refs this share holds. When none falls to it, it
// borrows the one whose name is first: exit code 0 means that images were judged
// and accepted, and a share that judges nothing could not say so. The share that
// owns that image judges it as well, which changes no verdict.
func (s shard) choose(refs []string) (mine func(ref string) bool, borrowed bool) {
	if len(refs) == 0 || slices.ContainsFunc(refs, s.owns) {
		return s.owns, false
	}
	first := slices.Min(refs)
	return func(ref string) bool { return ref == first }, true
}

// share returns what this share holds of items, of which each is about the
// image that refOf tells. It is nil for all when there are no shares.
func share[T any](s shard, items []T, refOf func(*T) string) ([]T, *gate.Shard) {
	if s.count == 0 || len(items) == 0 {
		return items, nil
	}
	refs := make([]string, len(items))
	for i := range items {
		refs[i] = refOf(&items[i])
	}
	mine, borrowed := s.choose(refs)
	var out []T
	for i, ref := range refs {
		if mine(ref) {
			out = append(out, items[i])
		}
	}
	return out, &gate.Shard{Index: s.index, Count: s.count, Listed: len(items), Images: len(out), Borrowed: borrowed}
}

// shardNote says for people what a share was.
func shardNote(s *gate.Shard) string {
	if s.Borrowed {
		return fmt.Sprintf("shard %d of %d: none of the %s listed falls to it, so it judges one that another shard judges as well; the list passes when all shards pass",
			s.Index, s.Count, words.Plural(s.Listed, "image"))
	}
	return fmt.Sprintf("shard %d of %d: it judges %d of the %s listed; the list passes when all shards pass",
		s.Index, s.Count, s.Images, words.Plural(s.Listed, "image"))
}

// takeShare keeps the share of --shard and says so.
func (s *setup) takeShare(refs []string) []string {
	refs, s.share = share(s.shard, refs, func(ref *string) string { return *ref })
	s.tellShare()
	return refs
}

// tellShare tells a person at once which share this is.
func (s *setup) tellShare() {
	if s.share != nil {
		s.progress.Tell(shardNote(s.share))
	}
}
