package snapshot

import "github.com/cockroachdb/pebble/v2/vfs"

// vfsCategory labels our own writes in Pebble's statistics.
const vfsCategory = vfs.WriteCategoryUnspecified
