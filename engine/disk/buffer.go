package disk

// Aligned returns n bytes.
func Aligned(n int) []byte { return make([]byte, n) }
