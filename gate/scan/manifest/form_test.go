package manifest

import "testing"

func TestInTrivysForm(t *testing.T) {
	for _, test := range []struct{ name, file, text, want string }{
		{".NET with a byte order mark", "app/shop.deps.json", "\ufeff{}", "{}"},
		{".NET", "app/shop.deps.json", "{}", "{}"},
		{"Composer 1", "app/vendor/composer/installed.json", "\n[{}]\n", "{\"packages\":\n[{}]\n}"},
		{"Composer 2", "app/vendor/composer/installed.json", `{"packages":[]}`, `{"packages":[]}`},
		{"Composer reads no byte order mark", "app/vendor/composer/installed.json", "\ufeff[]", "\ufeff[]"},
		{"no JSON, which would become some", "app/vendor/composer/installed.json", `[{}],"packages":[]`, `[{}],"packages":[]`},
		{"another file", "app/list.json", "\ufeff[]", "\ufeff[]"},
	} {
		if got := string(InTrivysForm(test.file, []byte(test.text))); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
