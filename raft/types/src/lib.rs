//! Vocabulary of the replicated metadata: ids, names, records, commands, rejections. Passive data, no IO.
