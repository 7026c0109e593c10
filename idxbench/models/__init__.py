"""Models whose closed forms are known: matrix factorization and the paper's simulation."""
