"""Who is connected: the places a user holds, the viewers of a project."""
