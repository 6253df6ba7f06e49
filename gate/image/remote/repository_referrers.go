package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/promote"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	kindReferrers image.Kind = "referrers"
	// maxPages bounds the pages of a list of referrers.
	maxPages = 100
)

// Referrers implements [promote.Repository]. A registry without the API keeps
// the list in a tag.
func (r *Repository) Referrers(ctx context.Context, digest string) ([]promote.Descriptor, error) {
	pages, listed, err := r.referrers(ctx, digest)
	if err != nil || listed {
		return pages, err
	}
	tag := strings.Replace(digest, ":", "-", 1)
	got, err := r.Tag(ctx, tag)
	switch {
	case errors.Is(err, promote.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case got.Digest == digest: // GitLab's registry, see makeList: it lists nothing
		return nil, nil
	}
	list, err := manifestsOf(got.Raw)
	if err != nil || !types.MediaType(got.MediaType).IsIndex() {
		// Signatures could be lost without a word.
		return nil, fmt.Errorf("tag %s in %s is no list, and this registry keeps there what refers to %s: something else has set the tag, or damaged it. "+
			"Delete the tag, then sign and attach again", tag, r.Name(), digest)
	}
	return list, nil
}

// ListsInTags implements [promote.Target].
func (r *Repository) ListsInTags(ctx context.Context) (bool, error) {
	if r.api.Load() {
		return false, nil
	}
	_, listed, err := r.referrers(ctx, "sha256:"+strings.Repeat("0", 64))
	return !listed, err
}

// referrers asks the API for all pages. listed is false where there is no API.
func (r *Repository) referrers(ctx context.Context, digest string) (list []promote.Descriptor, listed bool, err error) {
	path, seen := "referrers/"+digest, map[string]bool{}
	for range maxPages {
		seen[path] = true
		page, next, err := r.page(ctx, path, digest)
		if status, ok := errors.AsType[*statusError](err); ok && !listed {
			switch status.status {
			case http.StatusNotFound, http.StatusBadRequest, http.StatusNotAcceptable, http.StatusMethodNotAllowed:
				return nil, false, nil
			}
		}
		if err != nil {
			return nil, listed, err
		}
		list, listed = append(list, page...), true
		r.api.Store(true)
		switch {
		case next == "":
			return list, true, nil
		case seen[next]:
			// What is on the other pages is not known.
			return nil, true, fmt.Errorf("referrers of %s in %s: the pages of the list go round in a circle", digest, r.Name())
		}
		path = next
	}
	return nil, true, fmt.Errorf("referrers of %s in %s: the list has more than %d pages", digest, r.Name(), maxPages)
}

func (r *Repository) page(ctx context.Context, path, digest string) (list []promote.Descriptor, next string, err error) {
	m := r.remote
	j := m.job(kindReferrers, m.phase, "referrers of "+digest+" in "+m.repo.name)
	var raw []byte
	var header http.Header
	err = r.client.retry(ctx, j, func() error {
		timed, cancel := context.WithTimeoutCause(ctx, r.client.limits.DocumentTimeout, errTooSlow)
		defer cancel()
		resp, err := m.get(timed, j, path, http.Header{"Accept": {string(types.OCIImageIndex)}})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return statusOf(resp, time.Now())
		}
		header = resp.Header
		raw, err = image.ReadAll(resp.Body, r.client.limits.ManifestSize)
		return err
	})
	switch {
	case err != nil:
		return nil, "", r.client.fail(ctx, j, err)
	case image.MediaTypeOf(header.Get("Content-Type")) != string(types.OCIImageIndex):
		return nil, "", r.client.fail(ctx, j, &statusError{status: http.StatusNotAcceptable}) // a web page, for one
	}
	if list, err = manifestsOf(raw); err == nil {
		next, err = r.nextPage(path, header)
	}
	if err != nil {
		return nil, "", r.client.fail(ctx, j, err)
	}
	return list, next, nil
}

// nextPage reads a Link header: the path of the next page within the repository, ""
// after the last. A page that cannot be asked for is an error: what it lists would be
// lost without a word.
func (r *Repository) nextPage(path string, header http.Header) (string, error) {
	link := strings.TrimSpace(header.Get("Link"))
	address, rest, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !strings.Contains(strings.ReplaceAll(rest, `"`, ""), "rel=next") {
		return "", nil
	}
	prefix := "/v2/" + r.remote.repo.path + "/"
	here := r.remote.repo.host.url(prefix + path)
	here.Path, here.RawQuery, _ = strings.Cut(here.Path, "?")
	u, err := here.Parse(address)
	// The host of the address is not used: a registry behind a proxy may know itself
	// by another name.
	if err != nil || !strings.HasPrefix(u.Path, prefix) {
		return "", image.Refuse("the next page of the list is not in the repository: %s", words.Quote(address))
	}
	return strings.TrimPrefix(u.Path, prefix) + "?" + u.RawQuery, nil
}

func manifestsOf(raw []byte) ([]promote.Descriptor, error) {
	var index struct {
		Manifests []promote.Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, image.Refuse("the list of referrers is not an index")
	}
	return index.Manifests, nil
}

// makeList makes an empty list for the referrers of m's subject where the registry
// answers with something that is no list. GitLab's takes the tag of the list for the
// digest of the subject, and answers with the subject itself
// (https://github.com/oras-project/oras-go/issues/1396): go-containerregistry would
// add the referrer to a copy of that.
func (r *Repository) makeList(ctx context.Context, m promote.Manifest) error {
	var doc struct {
		Subject *promote.Descriptor `json:"subject"`
	}
	if json.Unmarshal(m.Raw, &doc) != nil || doc.Subject == nil || r.api.Load() {
		return nil
	}
	if _, known := r.lists.Load(doc.Subject.Digest); known {
		return nil
	}
	_, api, err := r.referrers(ctx, doc.Subject.Digest)
	if err != nil || api {
		return err
	}
	tag := strings.Replace(doc.Subject.Digest, ":", "-", 1)
	now, err := r.Tag(ctx, tag)
	if errors.Is(err, promote.ErrNotFound) || err == nil && now.Digest != doc.Subject.Digest {
		r.lists.Store(doc.Subject.Digest, true)
		return nil
	}
	if err != nil {
		return err
	}
	cure := fmt.Errorf("%s cannot list what refers to %s: it has no API for that, and answers its tag %s with the image itself. "+
		"Keep signatures there under the tags of cosign, or promote with --attachments none", r.Name(), doc.Subject.Digest, tag)
	raw := []byte(`{"schemaVersion":2,"mediaType":"` + string(types.OCIImageIndex) + `","manifests":[]}`)
	list := promote.Manifest{Raw: raw, Descriptor: promote.Descriptor{MediaType: string(types.OCIImageIndex), Digest: image.DigestOf(raw, doc.Subject.Digest), Size: int64(len(raw))}}
	if err := r.PutTag(ctx, tag, list); err != nil {
		return fmt.Errorf("%w: %w", cure, err)
	}
	if now, err = r.Tag(ctx, tag); err == nil && now.Digest == doc.Subject.Digest {
		return cure
	}
	return err
}
