"""Where a log is kept: a folder on a disk (`posix`), or a bucket (`objects`), behind one port (`port`)."""
