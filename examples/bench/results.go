package main

import (
	"bufio"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// results are all rows and curves that were measured of one imagegate binary:
// rows can be measured one by one, and a table never mixes two binaries.
type results struct {
	file string

	Gate    string // SHA-256 of the binary
	Version string
	Peer    string // what it is compared with
	Data    string // which database
	Machine string
	Rows    []result
	Curves  []curveResult
}

// load reads the results of this binary. Results of another binary, and those
// that another version of this program wrote, are dropped.
func (k *results) load(b *bench) error {
	sum, err := fileHash(b.gate)
	if err != nil {
		return fmt.Errorf("the binary to measure: %w (make build makes it)", err)
	}
	now := results{file: k.file, Gate: sum, Version: firstLine(b.gate, "version"),
		Peer: "trivy " + builtFrom(b.trivy), Machine: machine()}
	if info, err := os.Stat(filepath.Join(b.database, "db", "trivy.db")); err == nil {
		now.Data = fmt.Sprintf("%.1f MB", float64(info.Size())/1e6)
	}
	err = readJSON(k.file, k)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Printf("earlier results are left out: %v", err)
	}
	if err != nil || k.Gate != now.Gate || k.Data != now.Data || k.Machine != now.Machine {
		*k = now
	}
	return nil
}

// fileHash streams: a binary in memory would count as memory of each child.
func fileHash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}

// builtFrom is the version of the module that a program was built from: what
// Trivy says of itself is set by its release builds alone.
func builtFrom(binary string) string {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "of unknown version"
	}
	return info.Main.Version
}

func firstLine(binary, argument string) string {
	out, _ := exec.Command(binary, argument).Output() // an empty line says enough
	first, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(first)
}

// machine says what was measured on.
func machine() string {
	model := "unknown processor"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if _, name, ok := strings.Cut(s.Text(), "model name\t: "); ok {
				model = name
				break
			}
		}
	}
	return fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), model)
}

// keep replaces a row, or adds it, and writes the file.
func (k *results) keep(r result) error {
	if i := slices.IndexFunc(k.Rows, func(old result) bool { return old.ID == r.ID }); i >= 0 {
		k.Rows[i] = r
	} else {
		k.Rows = append(k.Rows, r)
	}
	return writeJSON(k.file, k)
}

func (k *results) keepCurve(r curveResult) error {
	if i := slices.IndexFunc(k.Curves, func(old curveResult) bool { return old.ID == r.ID }); i >= 0 {
		k.Curves[i] = r
	} else {
		k.Curves = append(k.Curves, r)
	}
	return writeJSON(k.file, k)
}

// tables are all tables, with what they were measured on.
func (k *results) tables() map[string]string {
	all := tables(k.Rows)
	all["curves"] = curveTables(k.Curves)
	all["machine"] = k.summary()
	return all
}

func (k *results) summary() string {
	lowest, highest, runs, last := math.Inf(1), 0.0, 0, ""
	for _, r := range k.Rows {
		if r.Skipped != "" {
			continue
		}
		lowest, highest, runs = min(lowest, r.Load), max(highest, r.Load), max(runs, len(r.Ours))
		last = max(last, r.At.Format("2006-01-02"))
	}
	if runs == 0 {
		return notMeasured
	}
	return fmt.Sprintf("%s, beside %s, database of %s; %s; up to %d counted runs of each program; load average when a row began %.1f to %.1f; %s.\n",
		k.Version, k.Peer, k.Data, k.Machine, runs, lowest, highest, last)
}

// write puts the tables and the drawing into the documentation.
func (k *results) write(document string, all map[string]string) error {
	if err := writeDocument(document, all); err != nil {
		return err
	}
	if len(k.Curves) == 0 {
		return nil
	}
	return os.WriteFile(filepath.Join(filepath.Dir(document), "growth.svg"), []byte(drawing(k.Curves)), 0o644)
}
