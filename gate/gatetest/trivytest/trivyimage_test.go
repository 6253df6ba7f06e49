package trivytest

import "testing"

func TestTrivyTestImages(t *testing.T) {
	for _, name := range TrivyTestImages() {
		img, err := TrivyTestImage(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := img.ConfigFile(); err != nil || len(c.RootFS.DiffIDs) == 0 {
			t.Errorf("%s: config %+v, %v", name, c, err)
		}
	}
	if _, err := TrivyTestImage(t.Context(), "nothing"); err == nil {
		t.Error("no error for an image that is not there")
	}
}
