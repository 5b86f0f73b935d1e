"""What several kinds of tests share: the operator as a process, simulated pods, sample resources."""
