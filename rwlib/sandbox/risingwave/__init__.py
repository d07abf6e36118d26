"""risingwave"""
