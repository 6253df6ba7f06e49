package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// result is what a row came to.
type result struct {
	ID, Title, Other string
	Target, Memory   float64
	Images           int
	Rate             float64
	NoLayers         bool   // the row is about runs that need no layer
	Skipped          string `json:",omitempty"` // why the row was not measured
	Ours, Theirs     []usage
	Floor            []usage
	Load             float64
	At               time.Time
}

// measureRow runs both sides in turn, A B A B, after a pair that fills the page
// cache and is not counted.
func (b *bench) measureRow(ctx context.Context, r row) (result, error) {
	out := result{ID: r.id, Title: r.title, Other: r.other, Target: r.target, Memory: r.memory,
		Images: r.images, Rate: r.rate, NoLayers: r.noLayers, Load: load(), At: time.Now().UTC().Truncate(time.Second)}
	if r.cached && !b.layerCache {
		out.Skipped = "this imagegate has no flag --cache"
		return out, nil
	}
	for _, program := range r.needs {
		if _, err := exec.LookPath(program); err != nil {
			out.Skipped = program + " is not installed"
			return out, nil
		}
	}
	if r.fill != nil {
		if err := r.fill(ctx); err != nil {
			return out, fmt.Errorf("%s: fill the caches: %w", r.id, err)
		}
	}
	for i := range b.runs + 1 {
		var floor usage
		ours, err := b.measure(ctx, r.ours)
		if err != nil {
			return out, fmt.Errorf("%s: %w", r.id, err)
		}
		theirs, err := b.measure(ctx, r.their)
		if err != nil {
			return out, fmt.Errorf("%s: %s: %w", r.id, r.other, err)
		}
		if err := b.mustFetch(r.cold, ours, theirs); err != nil {
			return out, fmt.Errorf("%s: %w", r.id, err)
		}
		if r.floor != nil {
			if floor, err = measure(ctx, *r.floor); err != nil {
				return out, fmt.Errorf("%s: gzip and tar: %w", r.id, err)
			}
		}
		if i > 0 || b.runs == 0 {
			out.add(r, ours, theirs, floor)
		}
	}
	return out, nil
}

// mustFetch refuses a cold run that did not fetch every layer: a cache that was
// warm by accident would look like speed.
func (b *bench) mustFetch(images []string, sides ...usage) error {
	want, err := b.weight(images...)
	if err != nil {
		return err
	}
	for _, u := range sides {
		if u.Requests.Bytes < want {
			return fmt.Errorf("not a cold run: %d of %d bytes of layers were fetched", u.Requests.Bytes, want)
		}
	}
	return nil
}

func (out *result) add(r row, ours, theirs, floor usage) {
	out.Ours = append(out.Ours, ours)
	if r.their != nil {
		out.Theirs = append(out.Theirs, theirs)
	}
	if r.floor != nil {
		out.Floor = append(out.Floor, floor)
	}
}

// measure runs a side in a fresh directory and reads what it left there.
func (b *bench) measure(ctx context.Context, make func(dir string) side) (u usage, err error) {
	if make == nil {
		return u, nil
	}
	dir, err := os.MkdirTemp(b.work, "run-")
	if err != nil {
		return u, err
	}
	defer os.RemoveAll(dir)
	s := make(dir)
	if _, err := b.registry.taken(); err != nil {
		return u, err
	}
	if u, err = measure(ctx, s); err != nil {
		return u, err
	}
	if u.Requests, err = b.registry.taken(); err != nil {
		return u, err
	}
	if s.findings != nil {
		u.Findings, err = s.findings()
	}
	return u, err
}

// measureRows measures the rows that are selected and keeps each result as soon
// as it is there.
func (b *bench) measureRows(ctx context.Context, rows []row, only string, keep func(result) error) error {
	for _, r := range rows {
		if !selected(r.id, only) {
			continue
		}
		start := time.Now()
		out, err := b.measureRow(ctx, r)
		if err != nil {
			return err
		}
		log.Printf("%s (%.0f s)", out.line(), time.Since(start).Seconds())
		if err := keep(out); err != nil {
			return err
		}
		b.forget()
	}
	return nil
}

// selected reports whether a row is among those of BENCH_ONLY: names, or parts
// of names, with commas between them.
func selected(id, only string) bool {
	if only == "" {
		return true
	}
	for part := range strings.SplitSeq(only, ",") {
		if strings.Contains(id, part) {
			return true
		}
	}
	return false
}

// forget removes the caches of a row: those of a fat image are large.
func (b *bench) forget() {
	caches, _ := filepath.Glob(filepath.Join(b.work, "*-*"))
	for _, dir := range caches {
		if dir != b.trivyCache("plain") {
			_ = os.RemoveAll(dir) // at the end everything goes
		}
	}
}

// line is the result in one line, for the terminal.
func (r result) line() string {
	switch {
	case r.Skipped != "":
		return fmt.Sprintf("%-18s left out: %s", r.ID, r.Skipped)
	case r.Rate > 0:
		return fmt.Sprintf("%-18s %.0f images per second and core, %s", r.ID, r.rated(), verdict(r.Rate <= r.rated()))
	}
	s := fmt.Sprintf("%-18s wall %s, CPU %s, memory %s of %s, findings %s, load %.1f",
		r.ID, spread(r.ratio(wall)), middle(r.ratio(cpu)), middle(r.ratio(pss)), r.Other, r.findings(), r.Load)
	if r.Target > 0 {
		s += fmt.Sprintf("; target %.2f %s", r.Target, verdict(median(r.ratio(wall)) <= r.Target))
	}
	if r.Memory > 0 {
		s += fmt.Sprintf("; memory target %.2f %s", r.Memory, verdict(median(r.ratio(pss)) <= r.Memory))
	}
	if r.NoLayers {
		s += "; no layer request " + verdict(r.layerless())
	}
	return s
}
