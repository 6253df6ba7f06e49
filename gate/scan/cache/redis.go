package cache

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// keyPrefix begins the names of all of our keys, and no others are touched: the
// database may hold other people's data.
const keyPrefix = "imagegate:layer:"

// quiet keeps go-redis from writing to standard error by itself, which it does
// through a variable of the whole process.
var quiet = sync.OnceFunc(logging.Disable)

// redisStore is a cache in Redis. Entries end by themselves after Options.TTL
// without use.
type redisStore struct {
	server    server
	options   Options
	sealer    *sealer
	warnings  *warnings
	breaker   breaker
	patience  *patience
	client    *redis.Client
	life      context.Context // ends with Close
	end       context.CancelFunc
	gets      batcher[*redisGet]
	sets      batcher[*redisSet]
	finishing chan struct{} // closed by Finish
	finish    func()
	readOnly  atomic.Bool
	late      atomic.Int64 // operations that were given up before they were answered
}

func newRedis(place string, o Options) (*redisStore, error) {
	s, err := parseServer(place)
	if err != nil {
		return nil, err
	}
	config, err := s.tlsConfig(o.CACerts)
	if err != nil {
		return nil, fmt.Errorf("the layer cache %s: %w", s, err)
	}
	if o.Key == nil && !o.Maintenance {
		o.Warn(fmt.Sprintf("the layer cache %s is believed without a secret: anyone who can write to it decides what is found in layers; "+
			"set IMAGEGATE_CACHE_KEY to the same %d bytes or more wherever the cache is used", s, MinKey))
	}
	quiet()
	r := &redisStore{server: s, options: o, sealer: newSealer(o.Key), warnings: newWarnings(o.Warn),
		patience: newPatience(), finishing: make(chan struct{})}
	r.finish = sync.OnceFunc(func() { close(r.finishing) })
	r.life, r.end = context.WithCancel(context.Background())
	r.gets = batcher[*redisGet]{run: r.runGets, size: func(*redisGet) int { return firstPart }}
	r.sets = batcher[*redisSet]{run: r.runSets, size: func(s *redisSet) int { return len(s.frame) }}
	r.client = redis.NewClient(&redis.Options{
		Addr: s.address(), Username: s.user, Password: s.password, DB: s.db,
		Dialer: dialer(config, o),
		// RESP3 lets a server push, and go-redis act on, what was not asked for.
		Protocol:                 2,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		DisableIdentity:          true,
		DialTimeout:              o.DialTimeout, DialerRetries: 1,
		ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, ContextTimeoutEnabled: true,
		MaxRetries: 1,
		PoolSize:   2 * maxBatches, PoolTimeout: 2 * o.Timeout,
	})
	if !o.Maintenance {
		// The first connection is made while the images are resolved, and not while
		// a layer waits for it. What is wrong with it shows when it is used.
		go func() {
			_ = r.exchange(func(ctx context.Context, p redis.Pipeliner) { getPart(ctx, p, keyPrefix, 0, 1) })
		}()
	}
	return r, nil
}

// dialer connects within Options.DialTimeout, TLS included.
func dialer(config *tls.Config, o Options) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
		defer cancel()
		if config == nil {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		return (&tls.Dialer{Config: config}).DialContext(ctx, network, address)
	}
}

// Get implements Store.
func (r *redisStore) Get(ctx context.Context, key string, saves time.Duration) ([]byte, error) {
	if err := errors.Join(checkKey(key), ctx.Err()); err != nil {
		return nil, missing(key, err)
	}
	if r.options.Maintenance {
		return nil, ErrMissing
	}
	if !r.breaker.allow() {
		return nil, missing(key, errOff)
	}
	g := &redisGet{operation: newOperation(keyPrefix + r.sealer.name(key))}
	r.patience.expect(saves)
	r.gets.add(g)
	err := r.await(ctx, &g.operation)
	if err != nil && !errors.Is(err, errLarge) {
		return nil, missing(key, err)
	}
	var data []byte
	if err == nil {
		data, err = r.sealer.open(key, g.frame)
	}
	switch {
	case err == nil:
		r.patience.found(saves)
		return data, nil
	case !errors.Is(err, errOlder):
		r.warnings.once(fmt.Sprintf("the layer cache %s does not help with every layer, which then takes longer: entry %s: %v", r.server, g.name, err))
	}
	return nil, missing(key, err)
}

// Put implements Store.
func (r *redisStore) Put(ctx context.Context, key string, data []byte) error {
	if err := errors.Join(checkKey(key), ctx.Err()); err != nil {
		return err
	}
	if r.options.Maintenance || r.readOnly.Load() {
		return errReadOnly
	}
	if !r.breaker.allow() {
		return errOff
	}
	frame, err := r.sealer.seal(key, data)
	if err != nil {
		r.warnings.once(fmt.Sprintf("the layer cache %s does not keep every layer: %v", r.server, err))
		return err
	}
	s := &redisSet{operation: newOperation(keyPrefix + r.sealer.name(key)), frame: frame}
	r.sets.add(s)
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-r.finishing:
		return r.await(ctx, &s.operation)
	}
}

// Finish implements Store.
func (r *redisStore) Finish() { r.finish() }

// await waits for an operation as long as the run's patience lasts. go-redis looks
// at the deadline of a context and not at its end, so it would keep a cancelled run
// waiting.
func (r *redisStore) await(ctx context.Context, o *operation) error {
	err := r.patience.await(ctx, o.done)
	if errors.Is(err, errLate) {
		r.late.Add(1)
	}
	if err != nil {
		return err
	}
	return o.err
}

// failure notes a failed operation and returns its error without secrets.
func (r *redisStore) failure(err error) error {
	told := errors.New(r.server.redact(err.Error()))
	if r.life.Err() != nil {
		return told // the run ends; that is no failure of the server
	}
	if r.breaker.failed(told, unwelcome(err)) {
		r.warnings.once(fmt.Sprintf("the layer cache %s does not work and is off for the rest of this run, which takes longer: %v", r.server, told))
	}
	return told
}

// refused reports whether the server answered, but with an error.
func refused(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer) && !errors.Is(err, redis.Nil)
}

// unwelcome reports whether trying again cannot help: the credentials are
// wrong, or there are none.
func unwelcome(err error) bool {
	return refused(err) && (strings.HasPrefix(err.Error(), "NOAUTH") || strings.Contains(err.Error(), "WRONGPASS"))
}

// Close implements Store. It warns of failures that were not worth a warning before
// because the run took longer.
func (r *redisStore) Close() error {
	if err := r.breaker.untold(); err != nil {
		r.warnings.once(fmt.Sprintf("the layer cache %s did not help with every layer, which took longer: %v", r.server, err))
	}
	if n := r.late.Load(); n > 0 {
		r.warnings.once(fmt.Sprintf("the layer cache %s is too slow for this run, which did without %d of its answers", r.server, n))
	}
	r.end()
	return r.client.Close()
}
