"""What was decided and done, in a chain that shows every change made to it afterwards."""
