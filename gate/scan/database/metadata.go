package database

import (
	"errors"
	"fmt"
	"time"

	"github.com/imagegate/imagegate/gate/strictjson"
)

// clockSkew is how far in the future a build time may be. Clocks differ, but a
// database from the far future would look fresh for ever.
const clockSkew = 15 * time.Minute

// metadata is Trivy's metadata.json, with Trivy's names.
type metadata struct {
	Version      int       `json:",omitempty"`
	NextUpdate   time.Time // when the next build is due
	UpdatedAt    time.Time // when it was built
	DownloadedAt time.Time // written after the download
}

// parseMetadata reads metadata.json and checks what needs no clock.
func parseMetadata(raw []byte, schema int) (metadata, error) {
	var m metadata
	if err := strictjson.Unmarshal(raw, &m, strictjson.AllowUnknownKeys()); err != nil {
		return metadata{}, err
	}
	for _, t := range []*time.Time{&m.NextUpdate, &m.UpdatedAt, &m.DownloadedAt} {
		*t = t.UTC()
		if y := t.Year(); y < 1 || y > 9999 {
			return metadata{}, errors.New("a date is out of range")
		}
	}
	switch {
	case m.Version > schema:
		return metadata{}, fmt.Errorf("%w: schema version %d, this imagegate reads version %d", ErrNewer, m.Version, schema)
	case m.Version < schema:
		return metadata{}, fmt.Errorf("schema version %d is outdated, imagegate reads version %d", m.Version, schema)
	case m.UpdatedAt.IsZero():
		return metadata{}, errors.New("UpdatedAt is missing: the age of the database is not known")
	}
	return m, nil
}

// checkFuture refuses a build from the future.
func (m metadata) checkFuture(now time.Time) error {
	if m.UpdatedAt.After(now.Add(clockSkew)) {
		return fmt.Errorf("the database claims to be built at %s, in the future: it is %s here; the database or this clock is wrong",
			dateText(m.UpdatedAt), dateText(now))
	}
	return nil
}

// encode writes metadata.json as Trivy does.
func (m metadata) encode() ([]byte, error) {
	raw, err := strictjson.Marshal(m)
	return append(raw, '\n'), err
}
