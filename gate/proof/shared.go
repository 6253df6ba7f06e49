package proof

import "sync"

// shared is work that several images of a run have in common: the platforms of an
// image have one index, and the images of a repository often one base. Several
// goroutines may use it at once. The zero value is ready.
type shared[T any] struct {
	mu   sync.Mutex
	done map[string]func() (T, error)
}

// get does the work for a key once, and returns its result to all who ask for it.
func (s *shared[T]) get(key string, do func() (T, error)) (T, error) {
	s.mu.Lock()
	once := s.done[key]
	if once == nil {
		if s.done == nil {
			s.done = map[string]func() (T, error){}
		}
		once = sync.OnceValues(do)
		s.done[key] = once
	}
	s.mu.Unlock()
	return once()
}
