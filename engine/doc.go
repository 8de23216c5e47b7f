// Package engine is a storage node engine for block devices.
package engine
