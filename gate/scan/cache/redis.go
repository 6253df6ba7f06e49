package cache

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// keyPrefix begins the names of all of our keys, and nothing else is touched:
// the database may hold other people's data.
const keyPrefix = "imagegate:layer:"

// quiet keeps go-redis from writing to standard error by itself, which it does
// through a variable of the whole process.
var quiet = sync.OnceFunc(logging.Disable)

// redisStore is a cache in Redis. Entries end by themselves after Options.TTL
// without use.
type redisStore struct {
	server   server
	options  Options
	sealer   *sealer
	warnings *warnings
	breaker  breaker
	client   *redis.Client
	plain    atomic.Bool // the server or our rights in it know no GETEX
	readOnly atomic.Bool
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
		o.Warn(fmt.Sprintf("the layer cache %s is believed without a secret: whoever can write to it decides what is found in layers; "+
			"set IMAGEGATE_CACHE_KEY to the same %d bytes or more wherever the cache is used", s, MinKey))
	}
	quiet()
	client := redis.NewClient(&redis.Options{
		Addr: s.address(), Username: s.user, Password: s.password, DB: s.db,
		Dialer: dialer(config, o),
		// RESP3 lets a server push, and go-redis act on, what was not asked for.
		Protocol:                 2,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		DisableIdentity:          true,
		DialTimeout:              o.DialTimeout, DialerRetries: 1,
		ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, ContextTimeoutEnabled: true,
		MaxRetries: 1,
		PoolSize:   2 * runtime.GOMAXPROCS(0), PoolTimeout: 2 * o.Timeout,
	})
	return &redisStore{server: s, options: o, client: client,
		sealer: newSealer(o.Key), warnings: newWarnings(o.Warn)}, nil
}

// dialer connects. It is ours because go-redis's own gives no place to put the
// guard above TLS.
func dialer(config *tls.Config, o Options) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
		defer cancel()
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil || config == nil {
			return guarded(conn, err)
		}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		return guarded(secure, nil)
	}
}

func guarded(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return &replies{Conn: conn}, nil
}

// Get implements Store.
func (r *redisStore) Get(ctx context.Context, key string) ([]byte, error) {
	if err := errors.Join(checkKey(key), ctx.Err()); err != nil {
		return nil, missing(key, err)
	}
	if r.options.Maintenance {
		return nil, ErrMissing
	}
	if !r.breaker.allow() {
		return nil, missing(key, errOff)
	}
	frame, err := ask(ctx, r, func(ctx context.Context) ([]byte, error) { return r.get(ctx, keyPrefix+key) })
	if errors.Is(err, redis.Nil) {
		r.breaker.succeeded()
		return nil, missing(key, errors.New("there is no entry"))
	}
	if err != nil {
		return nil, missing(key, r.failure(ctx, err))
	}
	r.breaker.succeeded()
	data, err := r.sealer.open(key, frame)
	if err == nil {
		return data, nil
	}
	if !errors.Is(err, errOlder) {
		r.warnings.once("read", fmt.Sprintf("the layer cache %s does not help with every layer, which then takes longer: entry %s: %v", r.server, key, err))
	}
	return nil, missing(key, err)
}

// get reads an entry and puts its end off. Where that cannot be done at once it
// is done apart (Redis before 6.2) or not at all (replicas, users who may only
// read).
func (r *redisStore) get(ctx context.Context, name string) ([]byte, error) {
	if !r.plain.Load() {
		frame, err := r.client.GetEx(ctx, name, r.options.TTL).Bytes()
		if err == nil || errors.Is(err, redis.Nil) || !refused(err) {
			return frame, err
		}
	}
	frame, err := r.client.Get(ctx, name).Bytes()
	if err != nil {
		return nil, err
	}
	r.plain.Store(true)
	if err := r.client.Expire(ctx, name, r.options.TTL).Err(); err != nil && !refused(err) {
		return nil, err
	}
	return frame, nil
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
		r.warnings.once("write", fmt.Sprintf("the layer cache %s does not keep every layer: %v", r.server, err))
		return err
	}
	_, err = ask(ctx, r, func(ctx context.Context) (string, error) {
		return r.client.Set(ctx, keyPrefix+key, frame, r.options.TTL).Result()
	})
	if err == nil {
		r.breaker.succeeded()
		return nil
	}
	if refused(err) && !unwelcome(err) {
		// Full, a replica, or no right to write: reading may work all the same.
		r.readOnly.Store(true)
		r.warnings.once("write", fmt.Sprintf("the layer cache %s does not accept the analyses of new layers: %s", r.server, r.server.redact(err.Error())))
		return errReadOnly
	}
	return r.failure(ctx, err)
}

// ask bounds one operation, with whatever connecting and trying again it takes.
func ask[T any](ctx context.Context, r *redisStore, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.options.DialTimeout+2*r.options.Timeout, errors.New("the server does not answer in time"))
	defer cancel()
	return await(ctx, func() (T, error) { return f(ctx) })
}

// failure notes a failed operation and returns its error without secrets.
func (r *redisStore) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // the run ends; that is no failure of the server
	}
	told := errors.New(r.server.redact(err.Error()))
	if r.breaker.failed(told, unwelcome(err)) {
		r.warnings.once("off", fmt.Sprintf("the layer cache %s does not work and is off for the rest of this run, which takes longer: %v", r.server, told))
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

// Close implements Store. A failure that was not worth a warning before is told
// now: the run took longer because of it.
func (r *redisStore) Close() error {
	if err := r.breaker.untold(); err != nil {
		r.warnings.once("off", fmt.Sprintf("the layer cache %s did not help with every layer, which took longer: %v", r.server, err))
	}
	return r.client.Close()
}
