package registrytest

import (
	"fmt"
	"net/http"
	"strings"
)

// redirectFaults send the client somewhere it must not or cannot go.
func redirectFaults() []Fault {
	return []Fault{
		{Name: "redirect-loop", Serve: func(w http.ResponseWriter, q *http.Request, _ http.Handler) {
			redirect(w, q.URL.RequestURI())
		}},
		{Name: "redirect-chain", Serve: redirectChain},
		redirectTo("redirect-nowhere", ""),
		redirectTo("redirect-closed-port", "http://127.0.0.1:1/blob"),
		redirectTo("redirect-metadata", "http://169.254.169.254/latest/meta-data/"),
		redirectTo("redirect-file", "file:///etc/passwd"),
		redirectTo("redirect-other-scheme", "gopher://127.0.0.1:70/blob"),
		redirectTo("redirect-no-such-host", "http://registry.invalid/blob"),
		redirectTo("redirect-unparsable", "http://[::1/%zz"),
	}
}

func redirect(w http.ResponseWriter, to string) {
	if to != "" {
		w.Header().Set("Location", to)
	}
	w.WriteHeader(http.StatusTemporaryRedirect)
}

func redirectTo(name, to string) Fault {
	return Fault{Name: name, Serve: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { redirect(w, to) }}
}

// redirectChain never repeats an address and never arrives.
func redirectChain(w http.ResponseWriter, q *http.Request, _ http.Handler) {
	redirect(w, fmt.Sprintf("%s?hop=%sx", q.URL.Path, q.URL.Query().Get("hop")))
}

// headerFaults send the right bytes under the wrong headers.
func headerFaults() []Fault {
	return []Fault{
		// Where a digest decides what a blob is, its content type does not matter.
		header("text-plain", func(h http.Header) { h.Set("Content-Type", "text/plain") },
			KindPing, KindToken, KindConfig, KindLayer, KindDatabase, KindDatabaseManifest),
		header("other-manifest-type", swapManifestType,
			KindPing, KindToken, KindConfig, KindLayer, KindDatabase, KindDatabaseManifest),
		header("no-content-type", func(h http.Header) { h["Content-Type"] = nil }, Kinds()...),
		// The digest header is a hint: the bytes decide, and these are right.
		header("lying-digest", func(h http.Header) { h.Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64)) }, Kinds()...),
		// net/http refuses headers beyond 10 MiB.
		header("header-bomb", func(h http.Header) { h.Set("X-Bomb", strings.Repeat("a", 16<<20)) }),
	}
}

func header(name string, change func(http.Header), harmless ...Kind) Fault {
	return Fault{Name: name, harmless: harmless, Serve: func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		rec := answerOf(q, next)
		copyHeader(w, rec.Header())
		change(w.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	}}
}

// swapManifestType calls an index a manifest and a manifest an index
// (CVE-2021-41190).
func swapManifestType(h http.Header) {
	const index, manifest = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
	if h.Get("Content-Type") == manifest {
		h.Set("Content-Type", index)
		return
	}
	h.Set("Content-Type", manifest)
}
