//! Bits that flip and blocks that cannot be read: errors and findings, never wrong data.
