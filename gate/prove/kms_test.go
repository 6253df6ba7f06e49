package prove_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/gate/gatetest/provetest"
	"github.com/imagegate/imagegate/gate/prove"
)

// plugin builds the key management service of tests as a program of the path.
func plugin(t *testing.T, scheme string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "sigstore-kms-"+scheme), "../gatetest/provetest/kmsplugin")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// A key that never leaves its service signs like one in a file.
func TestKMS(t *testing.T) {
	plugin(t, "localtest")
	k := provetest.NewKey(t)
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, k.Private, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_KMS_KEY", file)
	signing, err := prove.KMSSigning(context.Background(), "localtest://key1", prove.Services{})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signing.Sign(context.Background(), decision(t, image, prove.ResultPassed, noon))
	if err != nil {
		t.Fatal(err)
	}
	if _, refusal := verifier(t, k).Verify(&prove.Attachment{Form: prove.FormBundle, Raw: raw}, image); refusal != nil {
		t.Fatal(refusal)
	}
	t.Setenv("TEST_KMS_KEY", file+".gone")
	if _, err := prove.KMSSigning(context.Background(), "localtest://key1", prove.Services{}); err == nil {
		t.Error("a service without its key is no error")
	}
	if _, err := prove.KMSSigning(context.Background(), "nowhere://key1", prove.Services{}); err == nil || !strings.Contains(err.Error(), "nowhere://key1") {
		t.Errorf("an unknown service: %v", err)
	}
}

// A URI of a key service runs a program. A trusted key is a key and never such a URI,
// so that a policy file can run nothing.
func TestTrustedKeysRunNothing(t *testing.T) {
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	script := "#!/bin/sh\ntouch " + ran + "\n"
	if err := os.WriteFile(filepath.Join(dir, "sigstore-kms-evil"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, text := range []string{"evil://key", "evil://-----BEGIN PUBLIC KEY-----", "awskms:///x"} {
		if _, err := prove.NewVerifier([]prove.Signer{{Name: "gate", Key: []byte(text)}}); err == nil {
			t.Errorf("%s is accepted as a key", text)
		}
	}
	if _, err := prove.KeySigning([]byte("evil://key"), nil, prove.Services{}); err == nil {
		t.Error("a URI is accepted as a private key")
	}
	if _, err := os.Stat(ran); err == nil {
		t.Fatal("a program was run")
	}
	// The test sees programs that run.
	if _, err := prove.KMSSigning(context.Background(), "evil://key", prove.Services{}); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(ran); err != nil {
		t.Error("the program of the scheme was not run: this test shows nothing")
	}
}
