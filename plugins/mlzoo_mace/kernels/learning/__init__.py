"""The form that learns, with first and second derivatives: pairs ──► convolution ──► contraction, layer by layer."""
