"""The work loops that both roles share: delivery attempts, transfers, sweeps. Knows neither role."""
