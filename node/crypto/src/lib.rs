//! Blob frame, chunk codec, range map, data keys, key providers. No async runtime, no network.
