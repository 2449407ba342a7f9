"""Why a fact holds or does not: rule instances, proof trees, what a claim would break."""
