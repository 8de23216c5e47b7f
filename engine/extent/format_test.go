package extent

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
)

// A store that lost its first slot is found by the others, and never the one that was there before, whatever the distance of its
// slots.
func TestNoSlotLeadsBackToAnEarlierStore(t *testing.T) {
	for _, tt := range []struct {
		name       string
		old, fresh uint32
	}{
		{"slots were further apart", 512, 0},
		{"slots were closer", 0, 512},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const extents = 64
			d := disk.NewMemory(disk.Info{Size: extents * 4096, LogicalBlock: 64, PhysicalBlock: 128})
			require.NoError(t, Format(d, testGeometry(extents), tt.old, StoreID{1}))
			require.NoError(t, Format(d, testGeometry(extents), tt.fresh, StoreID{2}))
			d.Overwrite(make([]byte, pageHeaderBytes), 0)
			require.Equal(t, StoreID{2}, load(t, d).Root.Store)
		})
	}
}
