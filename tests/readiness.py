"""What a layer has ready."""


def kinds(module):
    """What has been made ready, of each kind of call for each layer and direction; None where that
    was not worth it.
    """
    return [parts and [type(part.made) for part in parts] for parts in module._ready.values()]
