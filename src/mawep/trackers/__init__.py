"""Where issues come from: a file per tracker."""
