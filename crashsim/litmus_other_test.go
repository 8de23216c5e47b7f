//go:build !linux

package crashsim

import "testing"

func TestADeviceAndItsImitationGiveTheSameAnswers(t *testing.T) {
	t.Skip("NO BLOCK DEVICE TESTED: they are opened on Linux only")
}
