//! Consensus and durable metadata: openraft, RocksDB and the peer protocol.
