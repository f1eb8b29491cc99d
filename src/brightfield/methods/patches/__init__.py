"""Methods on patches of feature maps: PatchCore, a flow, both together."""
