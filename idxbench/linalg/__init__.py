"""Moments, norms and factors of tall arrays, block by block: nothing here needs the whole array in memory."""
