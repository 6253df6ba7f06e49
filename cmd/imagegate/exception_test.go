package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// privateKey is a file with a secret that Trivy finds.
func privateKey(comment string) string {
	const line = "MIIEowIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgwMbRvI0MBZhpI\n"
	return "# " + comment + "\n-----BEGIN RSA PRIVATE KEY-----\n" + strings.Repeat(line, 20) + "-----END RSA PRIVATE KEY-----\n"
}

// An exception for a secret holds for the very file that it names.
func TestSecretExceptionIsForOneFile(t *testing.T) {
	o := newOracle(t)
	file := privateKey("mine")
	policy := fmt.Sprintf("version: 1\nextends: none\nsecrets: {max: 0}\nexceptions:\n- {secret: private-key, path: app/key.pem, content: \"sha256:%s\", reason: a test key, expires: %s}\n",
		hashOf(file), time.Now().AddDate(0, 0, 30).Format(time.DateOnly))
	o.policy = filepath.Join(t.TempDir(), "imagegate.yaml")
	if err := os.WriteFile(o.policy, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	key := func(path, text string) imagetest.File { return imagetest.Text(path, text) }
	for i, e := range []evasion{
		{"the file", onCleanBase(key("app/key.pem", file)), exitPass},
		{"a large file", onCleanBase(key("app/key.pem", file), key("app/other.txt", strings.Repeat("x\n", 9<<20))), exitPass},
		{"another file", onCleanBase(key("app/key2.pem", file)), exitFail},
		{"another content", onCleanBase(key("app/key.pem", privateKey("theirs"))), exitFail},
		{"twice in a layer", onCleanBase(key("app/key.pem", privateKey("theirs")), key("app/key.pem", file)), exitFail},
		{"twice in a layer, the last is empty", onCleanBase(key("app/other.pem", privateKey("theirs")), key("app/other.pem", "")), exitFail},
		{"twice in a layer, the last is a link", onCleanBase(key("app/other.pem", privateKey("theirs")), imagetest.Symlink("app/other.pem", "x")), exitFail},
		{"the same twice in a layer", onCleanBase(key("app/key.pem", file), key("app/key.pem", file)), exitPass},
		{"another content below", unprivileged(onCleanBase(key("app/key.pem", privateKey("theirs"))).Layers[1], imagetest.Files(key("app/key.pem", file))), exitFail},
	} {
		ref := o.reg.MustPush(t, e.what.(imagetest.Spec).Image(), fmt.Sprintf("secret/x%d:1.0.0", i))
		code, out := o.check(ref.Tagged)
		if code != e.want {
			t.Errorf("%s: ended in %d, not %d:\n%s", e.name, code, e.want, out)
		}
	}
}
