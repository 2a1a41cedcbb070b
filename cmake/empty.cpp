// Gives the library target a source of its own; everything else comes from the layers.
