package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// firstPart is how many bytes of an entry are asked for before its size is
// known.
const firstPart = 64 << 10

// operation is one entry that is read or written in a batch.
type operation struct {
	name string
	done chan struct{} // closed when err is valid
	err  error
}

func newOperation(name string) operation { return operation{name: name, done: make(chan struct{})} }

func (o *operation) finish(err error) {
	o.err = err
	close(o.done)
}

// redisGet reads one entry.
type redisGet struct {
	operation
	frame []byte
}

// redisSet writes one entry.
type redisSet struct {
	operation
	frame []byte
}

// exchange sends the commands that queue adds, in one pipeline, and waits for all
// answers. The error says that the server did not answer; what it answered is in
// the commands. A panic of go-redis is returned as an error, because a cache must
// not prevent a verdict.
func (r *redisStore) exchange(queue func(context.Context, redis.Pipeliner)) (err error) {
	ctx, cancel := context.WithTimeoutCause(r.life, r.options.DialTimeout+2*r.options.Timeout, errors.New("the server does not answer in time"))
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	commands, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		queue(ctx, p)
		return nil
	})
	if refused(err) && slices.ContainsFunc(commands, func(c redis.Cmder) bool { return c.Err() != nil }) {
		return nil // it is the answer to a command
	}
	return err
}

// part is a range of an entry, read into a buffer that bounds the answer: the
// server may hold more under our name than an entry can have. go-redis would take
// as much memory as the answer to an ordinary GET announces.
type part struct{ *redis.ZeroCopyStringCmd }

func getPart(ctx context.Context, p redis.Pipeliner, name string, from, to int) part {
	const lineEnd = 2 // go-redis reads it into the same buffer
	cmd := redis.NewZeroCopyStringCmd(ctx, make([]byte, to-from+lineEnd), "getrange", name, from, to-1)
	_ = p.Process(ctx, cmd)
	return part{cmd}
}

// runGets reads entries: the beginning of each and its size at once, and then
// what is missing of large ones.
func (r *redisStore) runGets(gets []*redisGet) {
	firsts, sizes, ends := make([]part, len(gets)), make([]*redis.IntCmd, len(gets)), make([]*redis.BoolCmd, len(gets))
	err := r.exchange(func(ctx context.Context, p redis.Pipeliner) {
		for i, g := range gets {
			firsts[i], sizes[i] = getPart(ctx, p, g.name, 0, firstPart), p.StrLen(ctx, g.name)
			ends[i] = p.Expire(ctx, g.name, r.options.TTL) // use puts the end of an entry off
		}
	})
	if err != nil {
		err = r.failure(err)
	}
	for i, g := range gets {
		if err != nil {
			g.finish(err)
			continue
		}
		g.finish(r.getResult(g, firsts[i], sizes[i], ends[i]))
	}
}

// getResult returns the outcome of a look-up.
func (r *redisStore) getResult(g *redisGet, first part, size *redis.IntCmd, end *redis.BoolCmd) error {
	err := errors.Join(first.Err(), size.Err())
	if !refused(end.Err()) { // a replica refuses it
		err = errors.Join(err, end.Err())
	}
	if err != nil {
		return r.failure(err)
	}
	r.breaker.succeeded()
	g.frame = first.Bytes()
	switch n := size.Val(); {
	case n == 0:
		return errNoEntry
	case n > maxFrame:
		return errLarge
	case n > firstPart:
		return r.getRest(g, int(n))
	}
	return nil
}

// getRest reads what is behind the first part of an entry. When the entry was
// replaced in between, its seal does not fit, and it is a miss.
func (r *redisStore) getRest(g *redisGet, size int) error {
	var rest part
	err := r.exchange(func(ctx context.Context, p redis.Pipeliner) {
		rest = getPart(ctx, p, g.name, firstPart, size)
	})
	if err = errors.Join(err, rest.Err()); err != nil {
		return r.failure(err)
	}
	g.frame = append(g.frame, rest.Bytes()...)
	return nil
}

// runSets writes entries.
func (r *redisStore) runSets(sets []*redisSet) {
	answers := make([]*redis.StatusCmd, len(sets))
	err := r.exchange(func(ctx context.Context, p redis.Pipeliner) {
		for i, s := range sets {
			answers[i] = p.Set(ctx, s.name, s.frame, r.options.TTL)
		}
	})
	if err != nil {
		err = r.failure(err)
	}
	for i, s := range sets {
		if err != nil {
			s.finish(err)
			continue
		}
		s.finish(r.setResult(answers[i].Err()))
	}
}

// setResult returns the outcome of a write.
func (r *redisStore) setResult(err error) error {
	if err == nil {
		r.breaker.succeeded()
		return nil
	}
	if refused(err) && !unwelcome(err) {
		// Full, a replica, or no right to write: reading may work all the same.
		r.readOnly.Store(true)
		r.warnings.once(fmt.Sprintf("the layer cache %s does not accept the analyses of new layers: %s", r.server, r.server.redact(err.Error())))
		return errReadOnly
	}
	return r.failure(err)
}
