//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/imagegate/imagegate/gate/scan/wire"
)

// logs collects what Trivy logs, because some of it is the only trace of a
// file that could not be read. A worker analyses one layer, or matches one
// image, at a time, so there is always exactly one place for a message to go.
type logs struct {
	mu      sync.Mutex
	records map[record]int // how often each came
	more    bool           // some were dropped
	failed  int            // messages that an analyzer failed
	alone   string         // the only file that is being analysed, "" when there are others
}

// record is a message with what is needed to find the file that it is about.
type record struct {
	wire.Log
	attr  bool   // the file is in an attribute of its own, and whole
	cause string // the whole error, or "" when it is too long
}

// maxLogs is how many messages of a layer or an image are kept: the first ones in
// the order of compareLogs, because the order in which analyzers log is chance.
const maxLogs = 1000

// reset starts a new piece of work.
func (l *logs) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records, l.more = nil, false
}

// take returns the messages since reset, in order. sent reports whether a file of the
// layer was analysed.
func (l *logs) take(sent func(file string) bool) []wire.Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune()
	l.dropNamed()
	var list []wire.Log
	for _, r := range slices.SortedFunc(maps.Keys(l.records), compareLogs) {
		r.Of = r.about(sent)
		list = append(list, r.Log)
	}
	if l.more {
		list = append(list, wire.Log{Level: "WARN", Message: fmt.Sprintf("more than %d messages", maxLogs)})
	}
	return list
}

// failures returns how many messages say that an analyzer failed.
func (l *logs) failures() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// only says which file is the only one that is being analysed, "" when there are others.
func (l *logs) only(file string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alone = file
}

// dropNamed drops the messages that came again for a file that was analysed alone, as
// often as they had come without its name.
func (l *logs) dropNamed() {
	named := map[[2]string]int{}
	for r, n := range l.records {
		if r.alone() {
			named[[2]string{r.Message, r.Attrs}] += n
		}
	}
	for r, n := range l.records {
		if !l.more && !r.attr && n <= named[[2]string{r.Message, r.Attrs}] {
			delete(l.records, r)
		}
	}
}

// alone reports whether the file is known because no other was analysed.
func (r *record) alone() bool { return r.attr && r.Message == analysisError }

// about returns the only file that the message can be about. The text of an error has
// no mark where the name of the file ends, and the name may have any characters.
func (r *record) about(sent func(file string) bool) string {
	if r.attr && sent(r.File) {
		return r.File
	}
	rest, ok := strings.CutPrefix(r.cause, parsing)
	if !ok || r.attr {
		return ""
	}
	found := ""
	for at := range rest {
		if !strings.HasPrefix(rest[at:], ": ") || !sent(rest[:at]) {
			continue
		}
		if found != "" {
			return ""
		}
		found = rest[:at]
	}
	return found
}

func (l *logs) add(r record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.records == nil {
		l.records = map[record]int{}
	}
	if r.Message == analysisError {
		l.failed++
		if l.alone != "" {
			r.File, r.attr = l.alone, true
			r.Cause = withoutFile(cmp.Or(clipped(r.cause), r.Cause), r.File)
		}
	}
	l.records[r]++
	if len(l.records) > 2*maxLogs {
		l.prune()
	}
}

// prune drops the last messages.
func (l *logs) prune() {
	if len(l.records) <= maxLogs {
		return
	}
	l.more = true
	for _, r := range slices.SortedFunc(maps.Keys(l.records), compareLogs)[maxLogs:] {
		delete(l.records, r)
	}
}

func compareLogs(a, b record) int {
	return cmp.Or(strings.Compare(a.Level, b.Level), strings.Compare(a.Message, b.Message), strings.Compare(a.Attrs, b.Attrs), strings.Compare(a.cause, b.cause))
}

// logHandler is the slog.Handler of the whole process. It must be installed
// before the first analyzer is made: Trivy's loggers keep the default of that
// moment, and its own default buffers for ever and is not safe for concurrent
// use (trivy pkg/log/deferred.go).
type logHandler struct {
	logs  *logs
	outer *logHandler // nil for the first
	attrs []slog.Attr
}

// Enabled lets debug messages through: "Analysis error" is one of them.
func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	if !matters(r.Level, r.Message) {
		return nil
	}
	if r.Message == analysisError && aboutRepositories(r) {
		return nil
	}
	if r.Message == versionMismatch && aboutAdvisory(r) || r.Message == walkError && aboutChecksums(r) {
		return nil
	}
	if r.Message == innerJar && aboutNoArchive(r) {
		return nil
	}
	l := record{Log: wire.Log{Level: r.Level.String(), Message: r.Message}}
	var b strings.Builder
	write := func(a slog.Attr) bool {
		switch a.Key {
		case "file_path":
			l.File = clipped(a.Value.String())
			l.attr = len(l.File) == len(a.Value.String())
		case "err":
			whole := sameWords(a.Value.String())
			if l.Cause = clipped(whole); len(whole) <= maxCause {
				l.cause = whole
			}
		}
		if a.Key != "prefix" && b.Len() < 2000 {
			b.WriteString(" " + a.Key + "=" + sameWords(a.Value.String()))
		}
		return true
	}
	h.each(write)
	r.Attrs(write)
	l.Attrs = strings.TrimSpace(b.String())
	l.File = cmp.Or(l.File, fileIn(l.Cause))
	l.Cause = withoutFile(l.Cause, l.File)
	h.logs.add(l)
	return nil
}

// sameWords gives an error of encoding/json/v2 the words that it has in every process.
// The package chooses between "cannot" and "unable to" once per process, so that no
// program relies on them (errorModalVerb in its errors.go). Reports of the same image
// would differ. The name of a temporary file is another one in every run.
func sameWords(text string) string {
	text = strings.ReplaceAll(text, "json: unable to ", "json: cannot ")
	for dir := os.TempDir() + "/"; ; {
		before, rest, found := strings.Cut(text, dir)
		if !found {
			return text
		}
		if end := strings.IndexAny(rest, ": \"'"); end >= 0 {
			rest = rest[end:]
		} else {
			rest = ""
		}
		text = before + "a temporary file" + rest
	}
}

// maxCause is the length of errors in which the name of a file is looked for.
const maxCause = 16 << 10

// clipped keeps a message from an image short enough to be read.
func clipped(text string) string { return text[:min(len(text), 2000)] }

// parsing begins the errors of analyzers that do not log the file otherwise
// (fanal/analyzer/language).
const parsing = "failed to parse "

// fileIn finds the file that an error names.
func fileIn(cause string) string {
	if rest, ok := strings.CutPrefix(cause, parsing); ok {
		if file, _, ok := strings.Cut(rest, ": "); ok {
			return file
		}
	}
	return ""
}

// withoutFile leaves of an error what it says beside the file's name, which
// analyzers repeat.
func withoutFile(cause, file string) string {
	if file == "" {
		return cause
	}
	for {
		rest := strings.TrimPrefix(strings.TrimPrefix(cause, "parse error: "), parsing+file+": ")
		rest = strings.TrimPrefix(rest, "unable to parse "+file+": ")
		if rest == cause {
			return cause
		}
		cause = rest
	}
}

// WithAttrs implements [slog.Handler]. Trivy calls it for each rule about secrets and
// each file, and logs nothing most times, so nothing is copied.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{logs: h.logs, outer: h, attrs: attrs}
}

// each visits the attributes of all handlers, the outermost first.
func (h *logHandler) each(visit func(slog.Attr) bool) {
	if h.outer != nil {
		h.outer.each(visit)
	}
	for _, a := range h.attrs {
		visit(a)
	}
}

func (h *logHandler) WithGroup(string) slog.Handler { return h }

// innerJar is the whole message about a jar inside a jar that could not be
// read (dependency/parser/java/jar); longer ones begin alike and are harmless.
const innerJar = "Failed to parse"

// aboutNoArchive reports whether a file in a jar is no archive, which jarWalk
// reports with the whole path of the file.
func aboutNoArchive(r slog.Record) bool {
	return anyAttr(r, func(a slog.Attr) bool {
		return a.Key == "err" && strings.Contains(a.Value.String(), ": zip error: zip error: zip: ")
	})
}

// anyAttr reports whether one of the attributes of a message is one that is looked for.
func anyAttr(r slog.Record, is func(slog.Attr) bool) bool {
	found := false
	r.Attrs(func(a slog.Attr) bool {
		found = is(a)
		return !found
	})
	return found
}

// debugThatMatters are messages that Trivy logs at debug level although they
// mean that something was not read or not matched. It is a contract on
// strings, so Trivy is pinned exactly and TestLogContract looks for each of
// them in its sources.
var debugThatMatters = []string{
	analysisError,      // fanal/analyzer/analyzer.go: an analyzer failed, the file is skipped
	"Permission error", // fanal/analyzer/analyzer.go
	"Image config analysis error",
	walkError,                         // a jar, a wheel, a gem: the post-analyzer skips the file
	"Installed package version error", // detector/ospkg/debian: not matched
	"Failed to parse the installed package version", // detector/ospkg/*: not matched
	"Failed to parse version constraints",
	"Failed to parse constraints",
	"Failed to check version constraints",
}

// harmless are warnings that say nothing about what was read.
var harmless = []string{
	"Using severities from other vendors for some vulnerabilities",
	"This OS version is not on the EOL list",                         // judged by our own check of the release
	"Mixing Alpine versions is unsupported",                          // os-release decides
	"Some OS packages were skipped due to mismatched PURL namespace", // judged by us, see foreignPURLs
	"Unsupported os", // we report it as unsupported-os
	"Unable to get vulnerability details (CVE may be rejected)", // the finding stays, unrated
	"Unable to collect additional info",                         // licences of eggs and wheels
	"Could not parse -ldflags found in build info",
	"The size of the scanned file is too large", // for secrets: it is read all the same
	"Third-party SBOM may lead to inaccurate vulnerability detection",
	"Recommend using Trivy to generate SBOMs",
	"Conda package is supported for SBOM, not for vulnerability scanning", // judged as no-advisories
	"The library type is not supported for vulnerability scanning",        // judged as no-advisories
}

// analysisError is logged for a file that an analyzer could not read.
const analysisError = "Analysis error"

// aboutRepositories reports whether the analyzer of etc/apk/repositories failed,
// because not all of them are of one distribution. They decide nothing: the OS is
// the one that os-release names.
func aboutRepositories(r slog.Record) bool {
	return anyAttr(r, func(a slog.Attr) bool {
		return a.Key == "err" && strings.HasPrefix(a.Value.String(), "mixing different distributions in etc/apk/repositories:")
	})
}

// versionMismatch is logged when a package could not be compared with an
// advisory (detector/library/compare). If the range of the advisory cannot be
// parsed, the database is at fault and not the image; Trivy skips the advisory. If
// the version of the package cannot be parsed, the package was matched with no
// advisory.
const versionMismatch = "Version matching error"

func aboutAdvisory(r slog.Record) bool {
	return anyAttr(r, func(a slog.Attr) bool {
		// "npm constraint error (<1.9b1): ..."; behind the parenthesis the text may
		// be the image's own.
		head, _, _ := strings.Cut(a.Value.String(), "(")
		return strings.HasSuffix(strings.TrimSpace(head), "constraint error")
	})
}

// walkError is logged for a file that a post-analyzer could not read
// (utils/fsutils). The file is skipped with everything in it.
const walkError = "Walk error"

// aboutChecksums reports whether the file is dpkg's list of checksums, which
// Trivy reads for SBOMs only.
func aboutChecksums(r slog.Record) bool {
	return anyAttr(r, func(a slog.Attr) bool { return a.Key == "file_path" && strings.HasSuffix(a.Value.String(), ".md5sums") })
}

// matters reports whether a message may mean that the scan has missed something. It
// returns true for an unknown warning or error.
func matters(level slog.Level, msg string) bool {
	if level < slog.LevelWarn {
		if msg == innerJar {
			return true
		}
		return slices.ContainsFunc(debugThatMatters, func(s string) bool { return strings.HasPrefix(msg, s) })
	}
	return !slices.ContainsFunc(harmless, func(s string) bool { return strings.HasPrefix(msg, s) })
}
