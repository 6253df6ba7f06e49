package layer

import (
	"fmt"

	"github.com/imagegate/imagegate/policy/evidence"
)

const (
	gapHiddenFiles     = evidence.GapHiddenFiles
	gapPackageDatabase = evidence.GapPackageDatabase
	gapOSMismatch      = evidence.GapOSMismatch

	// maxGaps is how many gaps of one kind are listed individually.
	maxGaps = 50
	// noLayer is the layer of a gap that no single layer causes.
	noLayer = -1
)

// gapList collects gaps. It only counts the gaps of a kind beyond maxGaps.
type gapList struct {
	list  []gap
	count map[evidence.GapKind]int
	known map[gap]bool
}

type gap struct {
	kind            evidence.GapKind
	subject, detail string
	layer           int32
}

func (l *gapList) add(kind evidence.GapKind, subject string, layer int32, format string, args ...any) {
	if l.count == nil {
		l.count, l.known = make(map[evidence.GapKind]int), make(map[gap]bool)
	}
	if l.count[kind]++; l.count[kind] > maxGaps {
		return
	}
	g := gap{kind, subject, fmt.Sprintf(format, args...), layer}
	if l.known[g] {
		l.count[kind]--
		return
	}
	l.known[g] = true
	l.list = append(l.list, g)
}

// evidence returns the gaps with the diffIDs of their layers.
func (l *gapList) evidence(layers map[int32]string) []evidence.Gap {
	var gaps []evidence.Gap
	for _, g := range l.list {
		gaps = append(gaps, evidence.Gap{Kind: g.kind, Subject: g.subject, Detail: g.detail, Layer: layers[g.layer]})
	}
	for _, kind := range []evidence.GapKind{gapHiddenFiles, gapPackageDatabase, gapOSMismatch} {
		if n := l.count[kind] - maxGaps; n > 0 {
			gaps = append(gaps, evidence.Gap{Kind: kind, Detail: fmt.Sprintf("%d more gaps of this kind are not listed", n), Count: n})
		}
	}
	return gaps
}
