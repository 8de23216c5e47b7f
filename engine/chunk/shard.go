package chunk

// ShardID names a shard: sixteen bytes, any value, ordered bytewise.
type ShardID [16]byte
