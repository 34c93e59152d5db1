"""What other libraries offer for plugging in, such as joblib's backends: thin edges, no more."""
