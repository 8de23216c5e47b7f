package model_test

import (
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/model"
)

// Each model is what it stands in for.
var (
	_ extent.Extents = (*model.Extents)(nil)
	_ chunk.Chunks   = (*model.Chunks)(nil)
	_ index.Index    = (*model.Index)(nil)
	_ index.Recorder = (*model.Recorder)(nil)
)
