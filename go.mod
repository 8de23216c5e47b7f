module github.com/shardproof/shardproof

go 1.26.0
