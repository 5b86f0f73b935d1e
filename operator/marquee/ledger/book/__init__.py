"""What each kind of entry does to the rows, inside of one transaction that someone else begins and commits."""
