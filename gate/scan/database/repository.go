package database

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// DefaultRepositories returns where Trivy itself looks, in its order.
func DefaultRepositories(k Kind) []string {
	switch k {
	case Vulnerability:
		return []string{"mirror.gcr.io/aquasec/trivy-db:2", "ghcr.io/aquasecurity/trivy-db:2"}
	case Java:
		return []string{"mirror.gcr.io/aquasec/trivy-java-db:1", "ghcr.io/aquasecurity/trivy-java-db:1"}
	}
	return nil
}

// ParseRepository returns the reference of a database in a repository that a
// user named: NAME, NAME:TAG or NAME@DIGEST. As in Trivy, the tag of a name
// without one is the version of the database's schema.
func ParseRepository(k Kind, repository string) (string, error) {
	t, ok := k.traits()
	if !ok {
		return "", fmt.Errorf("there is no %s", k)
	}
	if _, rest, ok := strings.Cut(repository, "://"); ok {
		return "", fmt.Errorf("a repository has no scheme: write %q", rest)
	}
	ref, err := name.ParseReference(repository, name.WithDefaultTag(""))
	if err != nil {
		return "", err
	}
	if tag, ok := ref.(name.Tag); ok && tag.TagStr() == "" {
		return repository + ":" + strconv.Itoa(t.schema), nil
	}
	return repository, nil
}

func (s *Store) repositories(k Kind) []string {
	if r := s.opt.Repositories[k]; len(r) > 0 {
		return r
	}
	return DefaultRepositories(k)
}
