"""The queue as pure rules: custody between appliances, retry schedule, routes, when a bounce is due."""
