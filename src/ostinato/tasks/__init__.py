"""What recurrent networks are used for, one file a task."""
