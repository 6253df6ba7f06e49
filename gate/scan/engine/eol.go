//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"context"
	"sort"
	"time"

	"github.com/aquasecurity/trivy/pkg/clock"
	ospkgdetector "github.com/aquasecurity/trivy/pkg/detector/ospkg"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/types"
)

// The days between which an end of life is looked for. A date at or past the
// last one is a placeholder: Trivy writes the year 3000 for RHEL.
var (
	firstDay = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	lastDay  = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// endOfLife asks Trivy's detector for the day on which support ends. The dates
// are private to the detectors, but a detector without packages answers at
// once whether it calls a release supported at a given time, so the day is
// found by bisection: 16 questions instead of a copied table that ages.
func endOfLife(ctx context.Context, os ftypes.OS) *time.Time {
	detector, err := ospkgdetector.NewDetector(types.ScanTarget{OS: os})
	if err != nil {
		return nil
	}
	ended := func(t time.Time) bool {
		_, eosl, err := detector.Detect(clock.With(ctx, t))
		return err == nil && eosl
	}
	if !ended(lastDay) {
		return nil // not on Trivy's list, or a placeholder
	}
	days := int(lastDay.Sub(firstDay).Hours() / 24)
	n := sort.Search(days, func(i int) bool { return ended(firstDay.AddDate(0, 0, i)) })
	day := firstDay.AddDate(0, 0, n-1)
	return &day
}
