package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

const (
	batch = 500
	// maxScanned bounds what is remembered of a server that names keys without
	// end.
	maxScanned = 2_000_000
)

// Info implements Store.
func (r *redisStore) Info(ctx context.Context) (Info, error) {
	entries, err := await(ctx, func() ([]entry, error) { return r.list(ctx) })
	if err != nil {
		return Info{}, r.maintenanceError("list", err)
	}
	return describe(r.server.String(), entries), nil
}

// Prune implements Store. It deletes our own keys, one batch after another, and
// never a whole database.
func (r *redisStore) Prune(ctx context.Context, p Prune) (Pruned, error) {
	entries, err := await(ctx, func() ([]entry, error) { return r.list(ctx) })
	if err != nil {
		return Pruned{}, r.maintenanceError("list", err)
	}
	before := describe("", entries)
	done := Pruned{Kept: before.Entries, KeptBytes: before.Bytes}
	chosen := p.choose(entries, r.options.Now())
	for len(chosen) > 0 {
		part := chosen[:min(batch, len(chosen))]
		chosen = chosen[len(part):]
		names := make([]string, len(part))
		for i, e := range part {
			names[i] = e.name
		}
		if _, err := await(ctx, func() (int64, error) { return r.client.Unlink(ctx, names...).Result() }); err != nil {
			return done, r.maintenanceError("prune", err)
		}
		for _, e := range part {
			done.Deleted++
			done.DeletedBytes += e.size
			done.Kept--
			done.KeptBytes -= e.size
		}
	}
	return done, nil
}

func (r *redisStore) maintenanceError(what string, err error) error {
	return fmt.Errorf("%s the layer cache %s: %s", what, r.server, r.server.redact(err.Error()))
}

// list returns all entries.
func (r *redisStore) list(ctx context.Context) ([]entry, error) {
	var entries []entry
	seen := map[string]bool{} // SCAN may name a key twice
	for cursor := uint64(0); ; {
		names, next, err := r.client.Scan(ctx, cursor, keyPrefix+"*", batch).Result()
		if err != nil {
			return nil, err
		}
		var fresh []string
		for _, name := range names {
			key, ours := strings.CutPrefix(name, keyPrefix)
			if ours && keyForm.MatchString(key) && !seen[name] {
				seen[name] = true
				fresh = append(fresh, name)
			}
		}
		if len(seen) > maxScanned {
			return nil, fmt.Errorf("it has more than %d entries", maxScanned)
		}
		if entries, err = r.measure(ctx, fresh, entries); err != nil {
			return nil, err
		}
		if cursor = next; cursor == 0 {
			return entries, nil
		}
	}
}

// measure appends the sizes and times of keys to entries. The time of the last
// use is computed from how much of the TTL is left, which needs neither the
// server's clock nor the rights for OBJECT IDLETIME.
func (r *redisStore) measure(ctx context.Context, names []string, entries []entry) ([]entry, error) {
	if len(names) == 0 {
		return entries, nil
	}
	sizes, ends := make([]*redis.IntCmd, len(names)), make([]*redis.DurationCmd, len(names))
	_, err := r.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, name := range names {
			sizes[i], ends[i] = pipe.StrLen(ctx, name), pipe.PTTL(ctx, name)
		}
		return nil
	})
	if err != nil && !refused(err) {
		return nil, err
	}
	now := r.options.Now()
	for i, name := range names {
		left, err := ends[i].Result()
		if err = errors.Join(err, sizes[i].Err()); err != nil && !strings.Contains(err.Error(), "WRONGTYPE") {
			return nil, err
		}
		if err != nil || left == -2 { // no string and so not ours, or gone by now
			continue
		}
		e := entry{name: name, size: sizes[i].Val()}
		if left >= 0 {
			e.used = now.Add(-max(r.options.TTL-left, 0))
		}
		entries = append(entries, e)
	}
	return entries, nil
}
