package conformance

import (
	"bytes"
	"reflect"

	"github.com/google/go-cmp/cmp"
)

// CheckTextLaws wants of any bytes that they are refused with a place inside the text, or mean a sequence whose text means the
// same sequence and is printed the same.
func CheckTextLaws(t interface{ Fatalf(string, ...any) }, text []byte) {
	s, err := Parse(text)
	if err != nil {
		syntax, ok := err.(*SyntaxError)
		if !ok || syntax.Line < 1 || syntax.Line > bytes.Count(text, []byte{'\n'})+2 || syntax.Column < 1 {
			t.Fatalf("%q: error %#v", text, err)
		}
		return
	}
	printed := s.AppendText(nil)
	again, err := Parse(printed)
	if err != nil {
		t.Fatalf("%q\nprinted as\n%s\nis refused: %v", text, printed, err)
	}
	if !reflect.DeepEqual(s, again) {
		t.Fatalf("%q\nprinted as\n%s\nmeans something else:\n%s", text, printed,
			cmp.Diff(s, again, cmp.AllowUnexported(Config{})))
	}
	if twice := again.AppendText(nil); !bytes.Equal(printed, twice) {
		t.Fatalf("%s\nis printed as\n%s", printed, twice)
	}
}
