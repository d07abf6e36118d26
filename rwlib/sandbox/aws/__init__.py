"""AWS as the sandbox plays it: authorisation in front, moto's services behind."""
